// What a PE does with its streams, held against a reference that counts words.
//
// `characterize.stream_proofs` puts this text into a module that has the PE as `dut`, its ports as
// wires, its inner signals as `d_*`, and the parameters of the design. Only legal primitives are
// offered, of all sizes up to 4 and all numbers of outputs; operands, stalls and resets are free.
//
// In every cycle all of `holds` must be 1, the properties, and all of `invariants`, which say how
// the reference and the PE walk together: with them, the properties follow from cycle to cycle.

  // What the config stream offers.
  wire [3:0] new_s = new_filter_width[1:0] + 1, new_g = new_channels[1:0] + 1;
  wire [3:0] new_p = new_filters[1:0] + 1, new_v = new_slide[1:0] + 1;
  wire [3:0] new_all_terms = SERIAL ? new_p + new_filters_2[3:0] + new_filters_3[3:0] : new_p;
  wire [7:0] new_window = new_s * new_g;
  wire [7:0] new_steps = new_window * new_all_terms;
  wire new_halved = HALVES && new_mode != MODES - 1;
  wire [7:0] new_words = new_halved ? (new_steps + 1) / 2 : new_steps;
  wire [7:0] new_sums = new_depthwise ? new_p * new_g : new_p;
  wire [7:0] new_column = new_steps + STAGES - 1 + new_sums;
  wire same_filters = loaded && new_filter_width == filter_width && new_channels == channels
    && new_filters == filters && new_mode == mode
    && new_filters_2 == filters_2 && new_filters_3 == filters_3;
  wire legal = new_filter_width < 4 && new_channels < 4 && new_filters < 4
    && new_slide <= new_filter_width
    && new_window <= IFMAP_WORDS && new_words <= FILTER_WORDS && new_sums <= PSUM_WORDS
    && new_mode < MODES && (new_mode == 0 || !new_depthwise) && (!new_keep_filter || same_filters)
    && (!SERIAL || new_filters_2 <= new_p && new_filters_3 <= new_filters_2)
    && (!SERIAL || TERMS == 3 || new_filters_3 == 0);

  // Transfers.
  wire config_taken = config__valid & config__ready;
  wire filter_taken = filter__valid & filter__ready;
  wire ifmap_taken = ifmap__valid & ifmap__ready;
  wire psum_out_taken = psum_out__valid & psum_out__ready;
  wire sum_passed = d_psum_taken;

  // The reference: phases, and words counted in each.
  localparam IDLE = 0, FILTER = 1, WINDOW = 2, COMPUTE = 3, SUMS = 4, SLIDE = 5;
  reg [2:0] phase;
  reg loaded;  // since the last reset a primitive was begun
  reg [5:0] filter_width, channels, filters, slide;
  reg [11:0] outputs;
  reg depthwise, keep_filter, chain;
  reg [1:0] mode;
  reg [6:0] filters_2, filters_3;
  reg [7:0] steps, words, window, slid, sums, column;
  reg [7:0] n;             // words of this phase so far, or steps of this column
  reg half;                // the second half of a filter word that was taken is being stored
  reg [3:0] f, t;          // filter and term of this step
  reg [7:0] place, sum;    // of this step: ifmap word of the window, and sum
  reg [7:0] base;          // ring address of the first word of the window
  reg [11:0] x;
  reg [2:0] drained;       // cycles that the sums have waited for the pipeline
  wire halved = HALVES && mode != MODES - 1;
  wire last_word = n + 1 == words;
  wire one_half = halved && !(last_word && steps[0]);
  wire last_term = t == (SERIAL ? (f < filters_2) + (f < filters_3) : 0);
  wire last_filter = f == filters;
  wire first = t == 0 && (depthwise ? place <= channels : place == 0);

  function [7:0] ring(input [7:0] address, input [7:0] words);
    ring = address + words >= IFMAP_DEPTH ? address + words - IFMAP_DEPTH : address + words;
  endfunction

  // The arithmetic of the families but `fp`, whose units stand for others here. Modulo 2**PSUM_BITS,
  // as sums are.
  localparam LANES = 1 << (MODES - 1);
  function [PSUM_BITS-1:0] multiply(
    input [ACT_BITS-1:0] acts, input [WEIGHT_BITS-1:0] weights, input [1:0] mode);
    integer lane, term;
    reg [PSUM_BITS-1:0] act, weight, field, sign_of_act, sign_of_weight;
    reg [3:0] act_bits, weight_bits;
    begin
      multiply = 0;
      act_bits = MODES == 3 && mode == 2 ? ACT_OPERAND / 2 : ACT_OPERAND;
      weight_bits = MODES > 1 && mode != 0 ? WEIGHT_OPERAND / 2 : WEIGHT_OPERAND;
      sign_of_act = ACT_SIGNED << (act_bits - 1);
      sign_of_weight = 1 << (weight_bits - 1);
      for (lane = 0; lane < LANES; lane = lane + 1) if (LANES == 1 || lane < 1 << mode) begin
        act = (acts >> lane * act_bits) & ((1 << act_bits) - 1);
        act = (act ^ sign_of_act) - sign_of_act;
        weight = (weights >> lane * weight_bits) & ((1 << weight_bits) - 1);
        weight = (weight ^ sign_of_weight) - sign_of_weight;
        if (TERM_BITS) weight = 0;
        for (term = 0; term < TERMS && term * TERM_BITS < WEIGHT_BITS; term = term + 1) begin
          field = (weights >> term * TERM_BITS) & ((1 << (TERM_BITS - 1)) - 1);
          field = field == 0 ? 0 : 1 << (field - 1);
          if (weights[term * TERM_BITS + TERM_BITS - 1]) field = -field;
          weight = weight + field;
        end
        multiply = multiply + act * weight;
      end
      if (FLOAT) multiply = acts + {weights, weights[WEIGHT_BITS-1]};
    end
  endfunction

  function [PSUM_BITS-1:0] add(input [PSUM_BITS-1:0] a, input [PSUM_BITS-1:0] b);
    add = FLOAT ? {a, a[PSUM_BITS-1]} + b : a + b;
  endfunction

  always @(posedge clk)
    if (rst) begin
      phase <= IDLE;
      loaded <= 0;
    end else case (phase)
      IDLE: if (config_taken) begin
        phase <= new_keep_filter ? WINDOW : FILTER;
        loaded <= 1;
        {filter_width, channels, filters, slide} <=
          {new_filter_width, new_channels, new_filters, new_slide};
        {outputs, depthwise, keep_filter, chain, mode, filters_2, filters_3} <=
          {new_outputs, new_depthwise, new_keep_filter, new_chain, new_mode,
           new_filters_2, new_filters_3};
        {steps, words, window, sums, column} <=
          {new_steps, new_words, new_window, new_sums, new_column};
        slid <= new_v * new_g;
        {n, half, f, t, place, sum, base, x, drained} <= 0;
      end
      FILTER:
        if (half) begin
          half <= 0;
          if (n == words) begin phase <= WINDOW; n <= 0; end
        end else if (filter_taken) begin
          n <= n + 1;
          half <= one_half;
          if (last_word && !one_half) begin phase <= WINDOW; n <= 0; end
        end
      WINDOW: if (ifmap_taken) begin
        n <= n + 1;
        if (n + 1 == window) begin phase <= COMPUTE; n <= 0; end
      end
      COMPUTE: begin
        n <= n + 1;
        t <= last_term ? 0 : t + 1;
        if (last_term) begin
          f <= last_filter ? 0 : f + 1;
          sum <= sum + 1 == sums ? 0 : sum + 1;
          if (last_filter) place <= place + 1;
        end
        if (n + 1 == steps) begin
          phase <= SUMS;
          {n, place, drained} <= 0;
        end
      end
      SUMS: begin
        if (drained < STAGES - 1) drained <= drained + 1;
        if (sum_passed) begin
          n <= n + 1;
          if (last_pass) begin
            n <= 0;
            x <= x + 1;
            base <= ring(base, slid);
            phase <= x == outputs ? IDLE : SLIDE;
          end
        end
      end
      SLIDE: if (ifmap_taken) begin
        n <= n + 1;
        if (n + 1 == slid) begin phase <= COMPUTE; n <= 0; end
      end
    endcase

  // The words of the filters and of the window as they were taken, the first in the lowest bits.
  reg [4*WEIGHT_BITS-1:0] filter_words;
  reg [4*ACT_BITS-1:0] window_words;
  always @(posedge clk) begin
    if (filter_taken && phase == FILTER) filter_words[n * WEIGHT_BITS +: WEIGHT_BITS]
      <= filter__payload;
    if (ifmap_taken && phase == WINDOW) window_words[n * ACT_BITS +: ACT_BITS] <= ifmap__payload;
    if (ifmap_taken && phase == SLIDE) window_words[(window - slid + n) * ACT_BITS +: ACT_BITS]
      <= ifmap__payload;
    if (phase == SUMS && last_pass) window_words <= window_words >> slid * ACT_BITS;
  end
  wire last_pass = sum_passed && n + 1 == sums;
  wire [7:0] filters_known = phase == FILTER ? n : loaded ? words : 0;
  wire [7:0] window_known = phase == WINDOW ? n : phase == SLIDE ? window - slid + n
    : phase == COMPUTE || phase == SUMS ? window : 0;

  // What a step must read, and its product.
  wire computes = phase == COMPUTE;
  wire [7:0] place_of_filter = halved ? n / 2 : n;
  wire [WEIGHT_BITS-1:0] filter_word = filter_words >> place_of_filter * WEIGHT_BITS;
  wire [ACT_BITS-1:0] window_word = window_words >> place * ACT_BITS;
  wire [PSUM_BITS-1:0] product = multiply(window_word,
    halved && n[0] ? filter_word >> WEIGHT_BITS / 2 : filter_word, mode);

  // One sum, any one, from its products to psum_out. They reach the adder STAGES - 1 cycles after
  // they were issued.
  reg [7:0] watched;
  wire adds = computes && sum == watched;
  wire begun = computes && watched < sums && (sum > watched || sum == watched && t != 0
    || (depthwise ? place > channels : place != 0));
  reg [2:0] past_adds, past_first, past_begun;
  reg [3*PSUM_BITS-1:0] past_products;
  wire [3:0] adds_at = {past_adds, adds}, first_at = {past_first, first};
  wire [3:0] begun_at = {past_begun, begun};
  wire [4*PSUM_BITS-1:0] product_at = {past_products, product};
  reg past_computes;
  reg [WEIGHT_BITS-1:0] past_filter_word;
  reg past_zero;
  always @(posedge clk) begin
    past_adds <= rst ? 0 : adds_at;
    past_first <= first_at;
    past_begun <= rst ? 0 : begun_at;
    past_products <= product_at;
    past_computes <= computes && !rst;
    past_filter_word <= filter_word;
    past_zero <= window_word == 0;
  end
  reg [PSUM_BITS-1:0] total, expected;
  reg has_total, full, has_expected;
  always @(posedge clk) begin
    if (rst) watched <= any_word;
    if (adds_at[STAGES-1]) total <=
      add(product_at[(STAGES-1)*PSUM_BITS +: PSUM_BITS], first_at[STAGES-1] ? 0 : total);
    if (rst) has_total <= 0;
    else if (adds_at[STAGES-1] && first_at[STAGES-1]) has_total <= 1;
    if (sum_passed) expected <= add(chain ? psum_in__payload : 0, total);
    if (rst) {full, has_expected} <= 0;
    else if (sum_passed) {full, has_expected} <= {1'b1, n == watched};
    else if (psum_out__ready) {full, has_expected} <= 0;
  end

  // The cycles that are left, of a primitive of up to 4 columns whose streams never waited.
  reg counts;
  reg [15:0] left;
  wire willing = filter__valid & ifmap__valid & psum_in__valid & psum_out__ready;
  wire [7:0] new_slid = new_v * new_g;
  wire [2:0] new_f = new_outputs[1:0] + 1;
  always @(posedge clk)
    if (rst) counts <= 0;
    else if (config_taken) begin
      counts <= new_outputs < 4;
      left <= (new_keep_filter ? 0 : new_steps) + new_window
        + new_f * (new_steps + STAGES - 1 + new_sums) + (new_f - 1) * new_slid + 1;
    end else begin
      counts <= counts && willing && left != 1;
      left <= left - 1;
    end
  wire [7:0] columns_left = outputs - x;  // behind this one
  wire [7:0] steps_loaded = halved ? 2 * n - half : n;
  wire [15:0] rest = columns_left * (column + slid) + 1;
  wire [15:0] left_by_phase =
    phase == FILTER ? steps - steps_loaded + window + column + rest :
    phase == WINDOW ? window - n + column + rest :
    phase == COMPUTE ? steps - n + STAGES - 1 + sums + rest :
    phase == SUMS ? STAGES - 1 - drained + sums - n + rest :
    phase == SLIDE ? slid - n + column + rest : 1;

  // A word that psum_out offered and nobody took.
  reg offered, after_reset;
  reg [PSUM_BITS-1:0] offer;
  always @(posedge clk) begin
    offered <= psum_out__valid & ~psum_out__ready & ~rst;
    offer <= psum_out__payload;
    after_reset <= rst;
  end

  // The properties, in the order of `characterize.stream_proofs.PROPERTIES`.
  wire [7:0] holds;
  assign holds[0] = !after_reset || config__ready && !psum_out__valid && !filter__ready
    && !ifmap__ready && !psum_in__ready;
  assign holds[1] = !offered || psum_out__valid && psum_out__payload == offer;
  wire may_pass = phase == SUMS && drained == STAGES - 1 && (psum_out__ready || !psum_out__valid);
  assign holds[2] = config__ready == (phase == IDLE)
    && filter__ready == (phase == FILTER && !half)
    && ifmap__ready == (phase == WINDOW || phase == SLIDE)
    && psum_in__ready == (may_pass && chain)
    && sum_passed == (may_pass && (psum_in__valid || !chain));
  wire reads = SRAM ? past_computes : computes;
  wire idle_read = GATED && (SRAM ? past_zero : window_word == 0);
  assign holds[3] = !reads || idle_read
    || d_filter_read_data == (SRAM ? past_filter_word : filter_word);
  assign holds[4] = !computes || d_ifmap_read_data == window_word;
  assign holds[5] = !has_expected || psum_out__valid && psum_out__payload == expected;
  assign holds[6] = psum_out__valid == full && !(sum_passed && psum_out__valid && !psum_out__ready);
  assign holds[7] = !counts || left != 1 || !willing || phase == IDLE && psum_out_taken;

  // What makes them inductive: the reference and the PE walk together.
  wire [7:0] all_terms = SERIAL ? filters + 1 + filters_2 + filters_3 : filters + 1;
  wire [7:0] walked = d_s * (channels + 1) + d_c;
  wire [7:0] d_terms_before = SERIAL
    ? d_f + (d_f < filters_2 ? d_f : filters_2) + (d_f < filters_3 ? d_f : filters_3) + d_t : d_f;
  wire [7:0] d_step = walked * all_terms + d_terms_before;
  wire [7:0] d_sum = depthwise ? d_c * (filters + 1) + d_f : d_f;
  wire inside = d_s <= filter_width && d_c <= channels && d_f <= filters
    && d_t <= (SERIAL ? (d_f < filters_2) + (d_f < filters_3) : 0);
  wire [7:0] end_of_window = ring(base, window), next_base = ring(base, slid);
  wire [PSUM_BITS-1:0] stored_sum = d_sum_waits && d_sum_address == watched
    ? d_sum_data : stored_psums >> watched * PSUM_BITS;
  wire [4*WEIGHT_BITS-1:0] filters_stored = stored_filters;
  wire [4*WEIGHT_BITS-1:0] filters_mask = ~(~0 << filters_known * WEIGHT_BITS);
  wire [4*ACT_BITS-1:0] window_stored = {stored_ifmaps, stored_ifmaps} >> base * ACT_BITS;
  wire [4*ACT_BITS-1:0] window_mask = ~(~0 << window_known * ACT_BITS);
  wire [16:0] invariants = {
    !loaded || filter_width < 4 && channels < 4 && filters < 4 && slide <= filter_width
      && window == (filter_width + 1) * (channels + 1) && window <= IFMAP_WORDS
      && steps == window * all_terms && words == (halved ? (steps + 1) / 2 : steps)
      && words <= FILTER_WORDS && slid == (slide + 1) * (channels + 1)
      && sums == (depthwise ? (channels + 1) * (filters + 1) : filters + 1)
      && sums <= PSUM_WORDS && mode < MODES && column == steps + STAGES - 1 + sums
      && (!SERIAL || filters_2 <= filters + 1 && filters_3 <= filters_2)
      && (!SERIAL || TERMS == 3 || filters_3 == 0),
    phase <= SLIDE && d_fsm_state == phase && (phase == IDLE || loaded),
    phase == IDLE || inside && d_x == x && x <= outputs && base < IFMAP_DEPTH && d_size ==
      {filters_3, filters_2, mode, chain, keep_filter, depthwise, slide, outputs, filters,
       channels, filter_width},
    phase != FILTER || d_step == steps_loaded && d_step < steps && d_psum_address == 0
      && d_filter_address == n - half && (!HALVES || d_filter_half == half)
      && (!half || halved) && d_ifmap_read == 0 && d_ifmap_write == 0 && d_start == 0,
    phase != WINDOW || walked == n && n < window && d_ifmap_write == n && d_ifmap_read == 0
      && d_start == 0,
    phase != SLIDE || walked == n && n < slid && d_ifmap_read == base && d_start == base
      && d_ifmap_write == ring(ring(base, window - slid), n),
    phase == COMPUTE || phase == FILTER || phase == SUMS || d_f == 0 && d_t == 0
      && d_psum_address == 0 && d_filter_address == 0 && (!HALVES || !d_filter_half),
    phase != IDLE || d_s == 0 && d_c == 0 && d_x == 0,
    phase != COMPUTE || d_step == n && n < steps && walked == place && d_f == f && d_t == t
      && sum == d_sum && d_psum_address == sum && d_ifmap_read == ring(base, place)
      && d_ifmap_write == end_of_window && d_start == (place < slid ? base : next_base)
      && (halved ? d_filter_address == n / 2 && d_filter_half == n[0]
        : d_filter_address == n && (!HALVES || !d_filter_half)),
    phase == COMPUTE || phase == IDLE || f == 0 && t == 0 && place == 0 && sum == 0,
    phase != SUMS || d_s == 0 && d_t == 0 && (depthwise || d_c == 0) && d_sum == n && n < sums
      && d_psum_address == n && d_filter_address == 0 && (!HALVES || !d_filter_half)
      && d_ifmap_read == next_base && d_start == next_base
      && d_ifmap_write == end_of_window && drained <= STAGES - 1
      && (drained == STAGES - 1 || n == 0),
    phase == FILTER || phase == WINDOW ? base == 0 && x == 0 : 1'b1,
    ((filters_stored ^ filter_words) & filters_mask) == 0,
    ((window_stored ^ window_words) & window_mask) == 0,
    !has_total || stored_sum == total,
    has_total || !begun_at[STAGES-1]
      && (phase != SUMS || drained != STAGES - 1 || watched >= sums),
    !counts || left == left_by_phase && outputs < 4 && (phase != IDLE || full)
  };
