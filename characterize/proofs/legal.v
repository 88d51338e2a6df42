// Whether the configuration that is offered is that of a legal primitive.
//
// `characterize.pair_proof` puts this text into a module that has the config stream as wires, the
// fields of its payload as `new_*`, and the parameters of the design: `Primitive.check`, in Verilog.

  reg loaded;  // a primitive was begun since the last reset
  reg [54:0] last;
  always @(posedge clk)
    if (rst) loaded <= 0;
    else if (config__valid && config__ready) begin
      loaded <= 1;
      last <= config__payload;
    end
  wire [6:0] s = new_filter_width + 1, g = new_channels + 1, p = new_filters + 1;
  wire [13:0] window = s * g;
  wire [8:0] all_terms = SERIAL ? p + new_filters_2 + new_filters_3 : p;
  wire [22:0] steps = window * all_terms;
  wire [22:0] words = HALVES && new_mode != MODES - 1 ? (steps + 1) / 2 : steps;
  wire [13:0] sums = new_depthwise ? p * g : p;
  wire same_sizes = last[17:0] == config__payload[17:0] && last[40:39] == config__payload[40:39]
    && last[54:41] == config__payload[54:41];
  wire legal = new_slide <= new_filter_width
    && window <= IFMAP_DEPTH && words <= FILTER_DEPTH && sums <= PSUM_DEPTH
    && new_mode < MODES && (new_mode == 0 || !new_depthwise)
    && (!new_keep_filter || loaded && same_sizes)
    && (!SERIAL || new_filters_2 <= p && new_filters_3 <= new_filters_2)
    && (!SERIAL || TERMS == 3 || new_filters_3 == 0);
