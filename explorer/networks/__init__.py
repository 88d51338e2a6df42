"""Networks: the layers that an accelerator runs, built in, of YAML files and of ONNX files."""
