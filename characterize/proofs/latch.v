// A word of latches behind a clock gate does what `sync_clock_gate` and `sync_latch` say of whole
// cycles, which the other proofs use.
//
// One frame is half a cycle of `clk`. Enable and data change as they do in the PE: the data come
// from a register that was loaded at the edge that saw the enable.
module proof(input any_enable, input any_data, output bad);
  reg clk = 0;
  always @($global_clock) clk <= !clk;
  reg enable, data;
  always @(posedge clk) begin
    enable <= any_enable;
    if (enable) data <= any_data;
  end
  wire gate, word, sync_gate, sync_word;
  peforge_clock_gate clock_gate(.clk(clk), .enable(enable), .gated_clk(gate));
  peforge_latch latch(.gate(gate), .d(data), .q(word));
  sync_clock_gate model_gate(.clk(clk), .enable(enable), .gated_clk(sync_gate));
  sync_latch model_latch(.clk(clk), .gate(sync_gate), .d(data), .q(sync_word));
  // Both are seen by the edge that ends a cycle: while clk is low. They agree once written.
  reg written = 0;
  always @(posedge clk) written <= written | enable;
  assign bad = !clk && written && word != sync_word;
endmodule
