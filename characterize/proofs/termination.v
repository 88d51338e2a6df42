// Every primitive ends: from any state, for any configuration, legal or not.
//
// `characterize.stream_proofs` puts this text into a module that has the PE as `dut`, its ports as
// wires, its inner signals as `d_*`, and the parameters of the design. All inputs are free. `rank`
// counts what is left of a primitive, loop by loop, the outermost in the highest bits. It never
// rises, and falls within STAGES cycles in which no stream waits; at zero the PE is idle.

  localparam IDLE = 0, FILTER = 1, WINDOW = 2, COMPUTE = 3, SUMS = 4, SLIDE = 5;
  wire [5:0] filter_width = d_size[5:0], channels = d_size[11:6], filters = d_size[17:12];
  wire [11:0] outputs = d_size[29:18];
  wire [5:0] slide = d_size[35:30];
  wire depthwise = d_size[36];
  wire [6:0] filters_2 = d_size[47:41], filters_3 = d_size[54:48];

  // Counters go up to their size, through their highest value if they are beyond it.
  wire [11:0] left_x = outputs - d_x;
  wire [5:0] left_s = (d_fsm_state == SLIDE ? slide : filter_width) - d_s;
  wire [5:0] left_c = channels - d_c;
  wire [5:0] left_f = filters - d_f;
  wire [1:0] left_t = (SERIAL ? (d_f < filters_2) + (d_f < filters_3) : 0) - d_t;
  wire [35:0] rank =
    d_fsm_state == IDLE ? 0 :
    d_fsm_state == FILTER ? {2'd3, 12'd0, 2'd0, left_s, left_c, left_f, left_t} :
    d_fsm_state == WINDOW ? {2'd2, 12'd0, 2'd0, left_s, left_c, 6'd0, 2'd0} :
    d_fsm_state == SLIDE ? {2'd1, left_x, 2'd3, left_s, left_c, 6'd0, 2'd0} :
    d_fsm_state == COMPUTE ? {2'd1, left_x, 2'd2, left_s, left_c, left_f, left_t} :
    {2'd1, left_x, 2'd1, 6'd0, depthwise ? left_c : 6'd0, left_f, 2'd0};

  reg [35:0] before;
  reg follows;          // on the last cycle, in the same primitive
  reg [3:0] standstill; // cycles in which no stream waited and the rank did not fall
  wire willing = filter__valid & ifmap__valid & psum_in__valid & psum_out__ready;
  initial {follows, standstill} = 0;
  always @(posedge clk) begin
    before <= rank;
    follows <= !rst && d_fsm_state != IDLE;
    standstill <= rst || !willing || d_fsm_state == IDLE ? 0
      : follows && rank < before ? 1 : standstill + 1;
  end

  // The properties, in the order of `characterize.stream_proofs.TERMINATION`, and what can be in the
  // state register.
  wire [1:0] holds = {standstill <= STAGES, !follows || rank <= before};
  wire [0:0] invariants = d_fsm_state <= SLIDE;
