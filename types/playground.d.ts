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
    l1?: number;
  }

  interface Axis {
    name: string;
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
      starts: Record<string, Partial<Settings>>;
      full_batch: string[];
      without_rate: string[];
    };
    table: { name: string; rows: number } | null;
    rows: { train: number; held: number };
    batch_size: number;
    full_batch: boolean;
    steps_per_epoch: number;
    inputs: string[];
    axes: Axis[];
    target: { name: string; classes: string[]; mean: number; scale: number; low: number; high: number };
    /** `y` is −1 where there is one column only. */
    plane: { x: number; y: number; hold: string; ranges: [number, number, number, number]; side: number };
    points: { x: number[]; y: number[]; value: number[]; held: (boolean | number)[] };
    net: { widths: number[]; parameters: number; output: string };
    engine: string;
  }

  interface Header {
    frame: number;
    version: number;
    phase: string;
    message: string;
    step: number;
    epoch: number;
    /** Steps taken in the epoch that is not over. */
    done: number;
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

  interface Wire {
    /** The files that can be downloaded of a run; null where there is no server that makes them. */
    files: { name: string; text: string; note: string; href: string }[] | null;
    /** The network of the run, for the next mini-batch ("step") or the first rows ("same"). */
    network: (rows: string) => Promise<Fetched>;
    order: (type: string, fields?: object) => Promise<string>;
    painted: (frame: number) => void;
  }

  /** Sends an order; gives "" when it is done, else why it is refused. */
  type Order = (type: string, fields?: object, refused?: string) => Promise<string>;

  /** The network of a run after `step` steps, and its formulas. */
  interface Fetched {
    step: number;
    payload: Page.Payload;
    formulas: Page.Formulas;
  }

  interface Rectangle {
    left: number;
    top: number;
    width: number;
    height: number;
  }
}
