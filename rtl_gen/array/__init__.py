"""Arrays of PEs: row-stationary dataflow, from a layer to register values and buffer images."""
