// What the scripts of the static playground share: the catalogue that Python writes into the page
// (playground/static_page.py), data, tables, runs, and the messages between page and trainer.

interface DeltaruleScripts {
  random: typeof randomModule;
  datasets: typeof datasetsModule;
  csv: typeof csvModule;
  table: typeof tableModule;
  plane: typeof planeModule;
  rules: typeof rulesModule;
  run: typeof runModule;
  moment: typeof momentModule;
  checks: typeof checksModule;
  diagnosis: typeof diagnosisModule;
  trainer: typeof trainerModule;
  undo: typeof undoModule;
  /** The reader's own file; only in the static playground. */
  own?: typeof ownModule;
  library: Static.Library;
  catalogue: Static.Catalogue;
}

declare namespace Static {
  // -- formulas and descriptions, from explain/page/formula_library.py ------------------------

  interface LayerCode {
    textbook_slope: Page.VectorFunction | null;
    value: Page.VectorFunction;
    slope: Page.VectorFunction | null;
    pullback: Page.VectorFunction;
  }
  interface RuleCode {
    /** A step of all parameters; an array of arrays, or θ alone where the rule has no slots. */
    whole: (...values: (number | Float64Array)[]) => ArrayLike<number> | ArrayLike<number>[];
    needs: string[];
    steps: Page.RuleStep[];
  }
  interface Library {
    activations: Record<string, LayerCode>;
    /** By "loss/output". */
    losses: Record<
      string,
      LayerCode & {
        from_output: Page.LossFunction;
        from_input: Page.LossFunction | null;
        textbook_derivative: Page.VectorFunction | null;
        textbook_delta: Page.VectorFunction | null;
      }
    >;
    rules: Record<string, { weight: RuleCode; bias: RuleCode }>;
    penalty: Record<string, (w: number) => [value: number, slope: number]>;
  }

  interface Layer {
    mathml: Record<string, string | null>;
    name: string;
    words: string;
    kinks: number[];
    initializer: { distribution: string; inputs: number; outputs: number };
  }
  interface Catalogue {
    activations: Record<string, Layer>;
    losses: Record<
      string,
      {
        layer: Layer;
        mathml: Omit<
          Page.PrintedFormulas,
          "update" | "value" | "slope" | "textbook_value" | "textbook_slope"
        >;
        net: Pick<
          Page.NetworkDescription,
          "output_elementwise" | "loss" | "loss_words" | "loss_kinks" | "loss_elementwise" | "fused"
        >;
      }
    >;
    rules: Record<
      string,
      {
        name: string;
        words: string;
        slots: { name: string; kind: string; initial: number | string }[];
        mathml: Page.PrintedFormulas["update"];
        full_batch: boolean;
        uses_weights: boolean;
        uses_cost: boolean;
      }
    >;
    laws: Record<string, Page.Law>;
    diagnosis: {
      own: Record<"share" | "shrunk" | "poor" | "linear", number>;
      thresholds: Record<string, number>;
      /** The largest slope of each activation, null without one, and whether a flat slope means "off". */
      slopes: Record<string, [largest: number | null, off: boolean]>;
      rows: number;
      rate: Live.RateLimits;
      rates: {
        lowest: number;
        highest: number;
        per_decade: number;
        most_rows: number;
        steps: number;
        least: number;
        work: number;
      };
    };
    choices: Live.Run["choices"];
    /** The output of each loss, by the number of classes: 0, 2, or 3 for more. */
    outputs: Record<number, Record<string, string>>;
    first: Live.Settings;
    builtin: Record<
      string,
      { inputs: string[]; target: string; classes: string[]; image: Page.ImageOfInputs | null }
    >;
    digits: { pixels: string; labels: string };
    /** Centres and signs of the bumps, which all have the same width. */
    bumps: { bumps: [x: number, y: number, sign: number][]; width: number };
    /** Inputs derived from two; {0} and {1} stand for their names. */
    derived: { name: string; label: string }[];
  }

  // -- data ---------------------------------------------------------------------------------

  type Axis = Live.Axis;
  interface Target {
    name: string;
    /** Empty for a quantity. */
    classes: string[];
    mean: number;
    scale: number;
  }
  interface Data {
    X: Page.DecodedArray;
    /** Class numbers, or standardised quantities. */
    y: Float64Array;
    held: Int32Array | null;
    trained: Int32Array;
    inputs: string[];
    axes: Axis[];
    /** The names of the inputs that are derived from others, which come last. */
    derived: string[];
    target: Target;
    notes: string[];
  }
  interface Column {
    name: string;
    kind: "number" | "date" | "category";
    cells: string[];
    /** null for a category; NaN where missing. */
    values: Float64Array | null;
  }
  /** A file that was read, with the column that is predicted. */
  interface Parsed {
    name: string;
    columns: Column[];
    lines: number[];
    rows: { line: number; cells: string[] }[];
    notes: string[];
    target: string;
  }
  interface Own {
    target: string;
    columns: string[];
  }

  // -- runs ---------------------------------------------------------------------------------

  interface Penalties {
    [name: string]: number;
    total_weight: number;
  }
  interface Updater {
    slots: Record<string, Float64Array>;
    step: (grad: Float64Array, eta: number, cost: number) => void;
    penalise: (grad: Float64Array) => number;
    saved: () => UpdaterState;
    restore: (saved: UpdaterState) => void;
    t: number;
  }
  interface UpdaterState {
    t: number;
    slots: Record<string, Float64Array>;
  }
  /** What decides a network and its updates. */
  interface Design {
    widths: number[];
    hidden: string;
    /** "loss/output". */
    output: string;
    rule: string;
    penalties: Record<string, number>;
  }
  interface Plane {
    x: number;
    y: number;
    hold: string;
    ranges: [number, number, number, number];
    fixed: Float64Array;
  }
  interface State {
    settings: Live.Settings;
    data: Data;
    run: ReturnType<typeof runModule.start>;
    design: Design;
    table: Parsed | null;
    plane: Plane;
    /** The losses before the first step: trained on, held out. */
    first: [number, number];
    guess: number | null;
    /** Whether the learning rate has been the same in all steps. */
    steady: boolean;
    /** After how many steps weights were set by hand, of those that were not taken back. */
    hand: number[];
    /** What was changed last after the first step, "rate" or "weight", and after how many epochs. */
    changed: [kind: string, epoch: number];
    /** The epoch with the smallest loss, and the run at its end; null before the end of the first. */
    best: Best | null;
  }
  interface Best {
    epoch: number;
    loss: number;
    run: ReturnType<ReturnType<typeof runModule.start>["saved"]>;
    /** What of the state goes with it. */
    kept: Pick<State, "steady" | "hand" | "changed">;
  }
  /** A run at the moment of a change, with all that is needed to go on from there. */
  interface Past {
    /** What was changed: "weight", "rate", "run" or, by going back to the best epoch, "best". */
    change: string;
    state: State;
    kept: State;
    run: ReturnType<ReturnType<typeof runModule.start>["saved"]>;
    phase: string;
    message: string;
    edits: number;
    handEpoch: number;
  }

  // -- messages -----------------------------------------------------------------------------

  interface Ordered {
    type: string;
    id: number;
    [field: string]: unknown;
  }
  type Sent =
    | (Live.Run & { own: Own | null })
    | { type: "frame"; header: Live.Header; arrays: Live.Arrays }
    | { type: "done"; id: number; result: unknown }
    | { type: "error"; id: number; message: string };
  interface Moment {
    step: number;
    edits: number;
    payload: Page.Payload;
    design: Design;
  }
}
