// Every primitive ends, and leaves nothing behind: for any configuration, legal or not.
//
// `characterize.stream_proofs` puts this text into a module that has the PE as `dut`, its ports as
// wires, its inner signals as `d_*`, and the parameters of the design. All inputs are free. `rank`
// counts what is left of a primitive, loop by loop, the outermost in the highest bits. It never
// rises, and falls within STAGES cycles in which no stream waits; at zero the PE is idle.

  localparam IDLE = 0, FILTER = 1, WINDOW = 2, COMPUTE = 3, SUMS = 4, SLIDE = 5;
  // Counters go up to their size, round through 0 if they are beyond it. Bits of a size that its
  // counter does not have are not looked at.
  wire [5:0] filter_width = d_size[5:0], channels = d_size[11:6], filters = d_size[17:12];
  wire [5:0] slide = d_size[35:30];
  wire depthwise = d_size[36];
  wire [6:0] filters_2 = d_size[41 +: FILTER_COUNT_BITS];
  wire [6:0] filters_3 = TERMS == 3 ? d_size[48 +: FILTER_COUNT_BITS] : 0;
  wire [11:0] left_x = d_size[29:18] - d_x;
  wire [WINDOW_BITS-1:0] left_s = (d_fsm_state == SLIDE ? slide : filter_width) - d_s;
  wire [WINDOW_BITS-1:0] left_c = channels - d_c;
  wire [SUM_BITS-1:0] left_f = filters - d_f;
  wire [1:0] left_t = (SERIAL ? (d_f < filters_2) + (d_f < filters_3) : 0) - d_t;
  localparam NONE = 0;
  wire [11:0] x = d_fsm_state == FILTER || d_fsm_state == WINDOW ? NONE : left_x;
  wire [WINDOW_BITS-1:0] s = d_fsm_state == SUMS ? NONE : left_s;
  wire [WINDOW_BITS-1:0] c = d_fsm_state == SUMS && !depthwise ? NONE : left_c;
  wire [SUM_BITS-1:0] f = d_fsm_state == WINDOW || d_fsm_state == SLIDE ? NONE : left_f;
  wire [1:0] t = d_fsm_state == FILTER || d_fsm_state == COMPUTE ? left_t : NONE;
  wire [1:0] part = d_fsm_state == FILTER ? 3 : d_fsm_state == WINDOW ? 2 : 1;
  wire [1:0] part_of_column = d_fsm_state == SLIDE ? 3 : d_fsm_state == COMPUTE ? 2 : 1;
  wire [35:0] rank = d_fsm_state == IDLE ? 0 : {part, x, part_of_column, s, c, f, t};

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

  // The properties, in the order of `characterize.stream_proofs.TERMINATION`.
  wire at_start = d_s == 0 && d_c == 0 && d_f == 0 && d_t == 0 && d_psum_address == 0;
  wire [2:0] holds = {
    d_fsm_state != IDLE || at_start && d_x == 0 && d_filter_address == 0 && d_filter_half == 0,
    standstill <= STAGES,
    !follows || rank <= before
  };

  // How each state is entered.
  wire between = d_f == 0 && d_t == 0 && d_psum_address == 0;
  wire [4:0] invariants = {
    d_fsm_state <= SLIDE,
    d_fsm_state != FILTER || d_psum_address == 0,
    d_fsm_state != WINDOW && d_fsm_state != SLIDE || between,
    d_fsm_state != SUMS || d_s == 0 && d_t == 0 && (d_c == 0 || depthwise),
    d_fsm_state == FILTER || d_fsm_state == COMPUTE || d_filter_address == 0 && d_filter_half == 0
  };
