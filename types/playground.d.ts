// What the playground's server sends and is sent (playground/run_view.py, playground/client_messages.py).

declare namespace Live {
  interface Settings {
    data: string;
    rows: number;
    noise: number;
    held: number;
    seed: number;
    columns: string[];
    /** Nodes of each hidden layer. */
    layers: number[];
    activation: string;
    loss: string;
    rule: string;
    learning_rate: number;
    batch_size: number;
    l2: number;
    l1: number;
    /** Inputs derived from two others, by their names in `DR.derived`. */
    derived: string[];
  }

  interface Axis {
    name: string;
    /** The number of its input, or of the inputs of its levels. */
    inputs: number[];
    levels: string[];
    date: boolean;
    offset: number;
    scale: number;
  }

  /** What stays while a run goes on. */
  interface Run {
    type: "run";
    version: number;
    steps_per_second: number;
    settings: Settings;
    choices: {
      data: string[];
      activation: string[];
      loss: string[];
      rule: string[];
      columns: string[];
      limits: Record<"layers" | "parameters" | "columns", number>;
      ranges: Record<string, { min: number; max: number }>;
      /** The settings of a new run, and those that differ by the data. */
      defaults: Settings;
      starts: Record<string, Partial<Settings>>;
      /** Steps a second of a new server. */
      speed: number;
      /** The inputs that can be derived; empty for data that have not two numbers. */
      derived: { name: string; label: string }[];
      full_batch: string[];
      without_rate: string[];
    };
    table: { name: string; rows: number } | null;
    rows: { train: number; held: number };
    batch_size: number;
    full_batch: boolean;
    steps_per_epoch: number;
    /** The derived ones come last. */
    inputs: string[];
    /** What was left out of a table, and what is unusual in it. */
    notes: string[];
    axes: Axis[];
    target: { name: string; classes: string[]; mean: number; scale: number; low: number; high: number };
    /** `y` is −1 where there is one column only. */
    plane: {
      x: number;
      y: number;
      hold: string;
      /** The ends of the axes, as the network gets their values. */
      ranges: [number, number, number, number];
      /** The inputs where x and y do not change them. */
      fixed: number[];
    };
    /** `row` is the number of the point's row in the data. */
    points: { x: number[]; y: number[]; value: number[]; held: (boolean | number)[]; row: number[] };
    net: { widths: number[]; parameters: number; output: string };
    /** The loss of the best answer that is the same for every row; null where it is not finite. */
    guess: number | null;
    engine: string;
  }

  interface Header {
    frame: number;
    version: number;
    phase: string;
    message: string;
    /** Points along a side of the decision surface: more in a pause. */
    side: number;
    /** How often a parameter was set by hand. */
    edits: number;
    /** After how many steps one was last, of those that were not taken back; -1 where none was. */
    edited_after: number;
    step: number;
    epoch: number;
    /** Steps taken in the epoch that is not over. */
    done: number;
    /** Whether the losses below are those of weights that were set by hand since the last epoch. */
    by_hand: boolean;
    /** What was changed last after the first step of the run, "rate" or "weight", else "". */
    changed: string;
    /** After how many epochs. */
    changed_epoch: number;
    /** The epoch with the smallest loss, to which the order "best" goes back; 0 before the end of the first. */
    best_epoch: number;
    best_loss: number | null;
    /** What the order "undo" takes back: "weight", "rate", "run" (the one before) or "best"; "" for nothing. */
    undo: string;
    /** What the order "redo" makes again, in the same words. */
    redo: string;
    loss: number | null;
    held_loss: number | null;
    learning_rate: number;
    score: number | null;
    held_score: number | null;
    arrays: Record<string, { dtype: "f4" | "u1"; at: number; count: number }>;
  }

  interface Arrays {
    /** Epoch, loss, held-out loss by turns. */
    curve: Float32Array;
    /** By place of the plane: how probable the class is, or the prediction; 0 to 255. */
    level: Uint8Array;
    /** By place of the plane: the most probable class, where there are more than two. */
    class?: Uint8Array;
    /** Absent while a large network trains. */
    theta?: Float32Array | Float64Array;
  }

  interface Frame {
    header: Header;
    arrays: Arrays;
  }

  type LineState = "open" | "lost" | "restarted" | "refused";

  interface Handlers {
    run: (run: Run) => void;
    frame: (frame: Frame) => void;
    state: (word: LineState) => void;
  }

  /** What the page has of a built-in data set to draw small: points, or an image of 8 × 8 pixels. */
  type Thumbnail =
    | { pixels: number[]; x?: never; y?: never; value?: never; classes?: never }
    | { pixels?: never; x: number[]; y: number[]; value: number[]; classes: number };

  /** A point of the decision surface, in pixels. */
  interface Place {
    x: number;
    y: number;
    row: number;
    value: number;
    held: boolean;
  }

  interface Wire {
    /** The files that can be downloaded of a run; null where there is no server that makes them. */
    files: { name: string; text: string; note: string; href: string }[] | null;
    /**
     * The network with its numbers, for the next mini-batch ("step") or the first rows ("same");
     * `row` is one that is to be among them.
     */
    network: (rows: string, row: number | null) => Promise<Fetched>;
    /** What the gradient lens finds in the run, at this moment. */
    lens: () => Promise<Lensed>;
    /** The losses that some learning rates reach from the start. */
    rates: () => Promise<Rates>;
    order: (type: string, fields?: object) => Promise<string>;
    painted: (frame: number) => void;
  }

  /** Sends an order; gives "" when it is done, else why it is refused. */
  type Order = (type: string, fields?: object, refused?: string) => Promise<string>;

  /** The network of a run after `step` steps, and its formulas. */
  interface Fetched {
    step: number;
    edits: number;
    payload: Page.Payload;
    formulas: Page.Formulas;
  }

  /** Limits of the findings on a learning rate: RATE_LIMITS in training/diagnosis/rate_finding.py. */
  interface RateLimits {
    fallen: number;
    few_steps: number;
    probe_least: number;
    probe_most: number;
    long_most: number;
    few_epochs: number;
    rough: number;
    stalled: number;
    learned: number;
    no_better: number;
    factors: number[];
    long_factors: number[];
  }

  interface Lensed {
    rows: number;
    of: number;
    /** The root mean square of ∂C/∂z over the rows, of each layer; null: not finite. */
    sizes: (number | null)[];
    /** `seen`, `why` and `what` only of the served page. */
    findings: {
      kind: string;
      layers: number[];
      serious: boolean;
      seen?: string;
      why?: string;
      what?: string;
      /** Whether it is of the playground, and not of the gradient lens. */
      own?: boolean;
      /** Of a penalty: its share of the cost, and the size of the weights by that at the start. */
      share?: number;
      size?: number;
    }[];
  }

  interface Rates {
    rates: number[];
    /** null: not finite, or not tried. */
    losses: (number | null)[];
    suggestion: number;
    /** The loss before the first step. */
    start: number;
    steps: number;
  }

  interface Rectangle {
    left: number;
    top: number;
    width: number;
    height: number;
  }
}
