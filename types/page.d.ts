// What the scripts of the explain page share: the payload that Python writes into the page
// (explain/page/payload.py), the network, the store and the parts of the drawing.
//
// The scripts are joined into one, so this file has no import and no export: everything here is
// visible in each of them. `DR` holds what a script offers to those after it.

declare var DR: DeltaruleScripts;

interface DeltaruleScripts {
  // The explain page, in the order of SCRIPTS in explain/page/page.py.
  data: typeof dataModule;
  number: typeof numbersModule.number;
  text: typeof numbersModule.text;
  each: typeof driverModule.each;
  eachPair: typeof driverModule.eachPair;
  driver: typeof driverModule.driver;
  draft: typeof draftModule;
  store: typeof createStore;
  dom: typeof domModule;
  maths: typeof mathsModule;
  expressions: typeof expressionsModule;
  laws: typeof lawsModule;
  sums: typeof sumsModule;
  textbook: typeof textbookModule;
  sections: typeof sectionsModule;
  update: typeof updateModule;
  panel: typeof panelModule;
  dock: typeof dockModule;
  goto: typeof gotoModule;
  place: typeof placeModule;
  check: typeof checkModule;
  plan: typeof planModule;
  layout: typeof layoutModule;
  parts: typeof partsModule;
  paint: typeof paintModule;
  reach: typeof reachModule;
  links: typeof linksModule;
  drawing: typeof drawingModule;
  sweep: typeof sweepModule;
  maps: typeof mapsModule;
  planes: typeof planesModule;
  planeView: typeof planeViewModule;
  images: typeof imagesModule;
  gallery: typeof galleryModule;
  rows: typeof rowsModule;
  pictures: typeof picturesModule;
  flow: typeof flowModule;
  heat: typeof heatModule;
  plots: typeof plotsModule;
  curve: typeof curveModule;
  dials: typeof dialsModule;
  whatif: typeof whatifModule;
  attribute: typeof attributionsModule.attribute;
  attributeLater: typeof attributionsModule.attributeLater;
  slopeOf: typeof attributionsModule.slopeOf;
  answer: typeof answerModule;
  answerParts: typeof answerPartsModule;
  answerCard: typeof answerCardModule;
  lensCharts: typeof lensChartsModule.lensCharts;
  lensAttributions: typeof lensAttributionsModule.lensAttributions;
  lens: typeof lensModule;
  shell: typeof shellModule;
  // The guided tour, in the order of TOUR_SCRIPTS.
  tourParts: typeof tourPartsModule;
  tourQuestion: typeof tourQuestionModule;
  tourChapters: typeof tourChaptersModule;
  tourTraining: typeof tourTrainingModule;
  tour: typeof tourModule;
  /** The formulas of the example, printed by explain/page/tour.py. */
  exampleFormulas: Page.Formulas;
  /** The network's formulas, printed by explain/page/formulas.py. */
  formulas: Page.Formulas;
  /** The store of the page, for tests and for a reader at the browser's console. */
  page: Page.Store;

  // The playground, in the order of SCRIPTS in playground/page.py.
  wire: typeof wireModule;
  jumps: typeof jumpsModule;
  canvas: typeof canvasModule;
  points: typeof pointsModule;
  axes: typeof axesModule;
  surface: typeof surfaceModule;
  losses: typeof lossesModule;
  fields: typeof fieldsModule;
  choosers: typeof choosersModule;
  settingsPlace: typeof settingsPlaceModule;
  controls: typeof controlsModule;
  weights: typeof weightsModule;
  lift: typeof liftModule;
  found: typeof foundModule;
  rateChart: typeof rateChartModule;
  tune: typeof tuneModule;
  verdict: typeof verdictModule;
  overfitting: typeof overfittingModule;
  advice: typeof adviceModule;
  sideways: typeof sidewaysModule;
  address: typeof addressModule;
  network: typeof networkModule;
  /** The derived inputs as functions of two others, printed by playground/derived_script.py. */
  derived: Record<string, (a: number, b: number) => number>;
  /** What the playground's content security policy lets scripts run by. */
  nonce: string;
}

declare namespace Page {
  // -- arrays -------------------------------------------------------------------------

  /** An array as it travels in JSON: little endian, in base64. */
  interface PackedArray {
    dtype: "f4" | "f8";
    shape: number[];
    base64: string;
    values?: undefined;
  }

  /** A decoded array: row-major values. */
  interface DecodedArray {
    shape: number[];
    values: Float64Array;
  }

  type ArrayData = PackedArray | DecodedArray;

  // -- the payload ----------------------------------------------------------------------

  interface Payload {
    format: number;
    title: string;
    net: NetworkDescription;
    mathml: PrintedFormulas;
    laws: Record<string, Law>;
    names: { inputs: string[]; outputs: string[]; rows: string[]; classes: string[] };
    rows: {
      X: ArrayData;
      Y: ArrayData;
      s: ArrayData;
      /** w_i of the rows of the page, with the same sum as over all rows. */
      w: ArrayData;
      /** w_i among all rows; null where the page has all of them. */
      share: ArrayData | null;
      /** The weighted mean of x over all rows; null where the page has all of them. */
      mean: ArrayData | null;
    };
    /** How many rows there are, of which the page may have some. */
    rows_of: number;
    /** Of how many rows these `rows_of` are a mini-batch; null if of none. */
    part_of: number | null;
    /** The address of the text that the guided tour goes along with; "" without one. */
    article?: string;
    states: State[];
    history: EpochLog[];
    engine: EngineNumbers;
    reference: { state: number; cost: number | null } & ComparedGradient;
    columns: TableColumn[];
    /** Which input each pixel is, where the inputs are an image. */
    image?: ImageOfInputs | null;
    /** What the page answers in a table's units; null where the rows are of no table. */
    answer?: TableAnswer | null;
    lens: Lens | null;
    /** Without a sample the page keeps the one that it shows. */
    start: { state: number; sample?: number; selected: Selection | null };
  }

  interface ImageOfInputs {
    shape: [rows: number, columns: number];
    /** The input of each pixel, row by row from the top left; −1 for one that is no input. */
    inputs: number[];
    /** The same for the columns of the table; null where there is no table. */
    columns: number[] | null;
  }

  interface Block {
    name: string;
    kind: "W" | "b";
    layer: number;
    start: number;
    stop: number;
    shape: number[];
  }

  interface NetworkDescription {
    /** Nodes of each layer, the inputs first. */
    widths: number[];
    bias: boolean;
    /** Names by layer; item 0 is null, since layer 0 has no activation. */
    activations: (string | null)[];
    /** The same in plain words. */
    words: (string | null)[];
    loss_words: string;
    /** Whether each output depends on its own z alone; false for softmax. */
    output_elementwise: boolean;
    /** The z at which an activation has a kink, by layer. */
    kinks: number[][];
    loss: string;
    /** The a − y at which the loss has a kink. */
    loss_kinks: number[];
    loss_elementwise: boolean;
    /** Whether loss and output activation have a formula from z (a fused pair). */
    fused: boolean;
    /** Ranges [start, stop) of θ that are held fixed. */
    frozen: [start: number, stop: number][];
    blocks: Block[];
  }

  /** The description, with where each layer's parameters begin in θ. */
  interface Network extends NetworkDescription {
    /** The number of layers that compute. */
    L: number;
    /** The number of parameters. */
    p: number;
    formulas: Formulas;
    /** Item l is where W^l begins in θ; item 0 is null and never read. */
    W: number[];
    /** Item l is where b^l begins in θ; null where the network has no biases. */
    b: (number | null)[];
  }

  /** MathML, by layer where it is a list. null: too long to be read. */
  interface PrintedFormulas {
    update: { weight?: string[]; bias?: string[] };
    value: (string | null)[];
    slope: (string | null)[];
    loss: string | null;
    loss_derivative: string | null;
    fused_derivative: string | null;
    /** The forms to be shown first; null: the one above. */
    textbook_value: (string | null)[];
    textbook_slope: (string | null)[];
    textbook_loss_derivative: string | null;
    textbook_fused_derivative: string | null;
  }

  /** A numbered formula of the mathematics. */
  interface Law {
    mathml: string;
    text: string;
    words: string;
  }

  interface VectorFunction {
    (z: Float64Array, a?: ArrayLike<number>, up?: ArrayLike<number>): ArrayLike<number>;
    /** The formula of numbers that it applies to each node; absent where nodes are mixed. */
    scalar?: (z: number, a: number, up: number) => number;
    /** Writes the value at z over each z; where it is looked up (draft.js). */
    inPlace?: (z: Float64Array) => void;
  }
  /** A loss of (a, y) or (z, y): its terms and their derivatives, one of each for an output. */
  type LossFunction = (x: Float64Array, y: ArrayLike<number>) => [ArrayLike<number>, ArrayLike<number>];

  interface RuleStep {
    name: string;
    needs: string[];
    f: (...values: number[]) => number;
  }

  /** Item l of a list belongs to layer l; item 0 is null and never read. */
  interface Formulas {
    value: VectorFunction[];
    /** null where the activation mixes its outputs. */
    slope: (VectorFunction | null)[];
    pullback: VectorFunction[];
    from_output: LossFunction;
    from_input: LossFunction | null;
    update: { weight: RuleStep[]; bias: RuleStep[] } | null;
    penalty: Record<string, (w: number) => number> | null;
    /** What the textbook's forms give in floating point: of (z, a), and of (a, y). */
    textbook: {
      slope: (VectorFunction | null)[];
      derivative: VectorFunction | null;
      delta: VectorFunction | null;
    };
  }

  interface ComparedGradient {
    grad: ArrayData | null;
    /** The entries that `grad` has of a long gradient; null: all of them. */
    at: number[] | null;
  }

  interface EngineNumbers extends ComparedGradient {
    name: string | null;
    dtype: string | null;
  }

  /** The parameters at one moment of training, and the step that is taken from there. */
  interface State {
    step: number | null;
    epoch: number | null;
    label: string;
    theta: ArrayData;
    learning_rate: number | null;
    masks: (ArrayData | null)[] | null;
    update: Update | null;
    /** The bytes of an update that was too large for the page. */
    left_out: number | null;
    /** Python's C and gradient over all rows, where the page has some of them only. */
    mean: { cost: ArrayData; grad: ArrayData | null } | null;
  }

  interface Update {
    rule: string;
    /** The rule in plain words. */
    words: string;
    /** The number of the step; null for a first step from here. */
    number: number | null;
    l1: number;
    l2: number;
    total_weight: number;
    clip_norm: number | null;
    /** C at θ, penalty included. */
    cost: number | null;
    slots_before: Record<string, ArrayData>;
    grad: ArrayData | null;
    theta_after: ArrayData | null;
  }

  interface EpochLog {
    epoch: number;
    steps?: number | null;
    loss: number | null;
    penalty?: number | null;
    validation_loss?: number | null;
    score?: number | null;
    learning_rate?: number | null;
    seconds?: number | null;
  }

  /** A column of the table behind the inputs. */
  interface TableColumn {
    name: string;
    kind: string;
    inputs: number[];
    cells: Cell[];
  }

  /** A cell of a table; null where it is missing. */
  type Cell = string | number | boolean | null;

  // -- the answer -------------------------------------------------------------------------

  /** Written by explain/page/answer.py; lists are by rows of the page. */
  interface TableAnswer {
    /** The name of the target. */
    target: string;
    /** From a standardised output to the target: scale · a + shift; null of classes. */
    scale: number | null;
    shift: number | null;
    classes: string[];
    /** The target of each row. */
    cells: JsonNumber[];
    /** How many rows of the same part of the training have a larger loss. */
    larger: number[];
    /** By part, the rows that a row of it is compared with: their number, and after it which they are;
        their mean loss; the root mean square of the errors of a number, null of classes. */
    compared: Record<string, { rows: number; words: string; mean: JsonNumber; typical: JsonNumber | null }>;
    /** In which part of the training each row was; null where that is not known. */
    parts: string[] | null;
    /** What such a part says about a row. */
    part_words: Record<string, string>;
    /** Cells that may be tried, for each column, and the inputs that they become. */
    tried: { cells: Cell[][]; inputs: ArrayData } | null;
    /** What the portfolio predicts that the network is of. */
    portfolio: {
      networks: number;
      predicted: JsonNumber[];
      probabilities: number[] | null;
      /** The probability of the class that the table has; null of a number. */
      of_table: number[] | null;
    } | null;
    /** What that portfolio says about one row. */
    whole: {
      sample: number;
      predicted: JsonNumber;
      value: JsonNumber;
      start: JsonNumber;
      classes: number;
      second: string | null;
      second_probability: JsonNumber | null;
      interval: [JsonNumber, JsonNumber] | null;
      columns: { name: string; cell: Cell; part: JsonNumber }[];
      changes: {
        name: string;
        cell: Cell;
        values: { cell: Cell; value: JsonNumber; predicted?: string }[];
      }[];
    } | null;
  }

  /** A row of the page, what is predicted for it, and how wrong that is. */
  interface JudgedRow {
    name: string;
    actual: number | string;
    predicted: number | string;
    wrong: boolean;
    /** Of a class 1 − its probability, of a number the absolute difference. */
    error: number;
  }

  /** A prediction: `value` is the number, or the probability of the predicted class number `of`. */
  interface Predicted extends Said {
    of: number;
    unit: { output: number; scale: number; shift: number };
  }
  /** What a model says: the number, or a class and its probability; beside the table's cell. */
  interface Said {
    isNumber: boolean;
    value: number;
    predicted: number | string;
    actual: number | string;
    /** Of more than two classes their number, and the second with its probability. */
    second?: { classes: number; name: string; value: number } | null;
  }
  interface ColumnPart {
    name: string;
    cell: Cell;
    part: number;
  }
  interface CellChange {
    name: string;
    cell: Cell;
    /** With a cell what is predicted, and of classes the class. */
    values: { cell: Cell; value: number; predicted?: string | undefined }[];
  }

  // -- the lens ---------------------------------------------------------------------------

  /** A number, or "NaN", "Infinity" or "-Infinity", which JSON cannot write as numbers. */
  type JsonNumber = number | string;

  type MeasureName =
    | "weight_rms"
    | "activation_rms"
    | "delta_rms"
    | "delta_ratio"
    | "gradient_norm"
    | "snr"
    | "update_ratio"
    | "slope_rms"
    | "dead"
    | "saturated"
    | "flat"
    | "weight_norm"
    | "activation_norm"
    | "delta_norm"
    | "delta_factor"
    | "gradient_rms"
    | "gradient_ratio"
    | "noise_scale";

  type LensLayer = Record<MeasureName, JsonNumber> & {
    layer: number;
    nodes: number;
    parameters: number;
    activation: string;
    marks: string[];
    dead_nodes: number[];
    saturated_nodes: number[];
  };

  interface Lens {
    format: number;
    rows: number;
    cost: JsonNumber;
    input_rms: JsonNumber;
    /** The number of the step that the lens is of; null if of none. */
    step: number | null;
    thresholds: Record<string, number>;
    /** The rows that dead and saturated nodes are judged by, and whether those are enough. */
    judged: { rows: number; of: number; judges: boolean } | null;
    measures: { name: MeasureName; label: string; words: string }[];
    layers: LensLayer[];
    advice: { kind: string; layers: number[]; serious: boolean; seen: string; why: string; what: string }[];
    hardest: {
      row: number;
      name: string;
      loss: JsonNumber;
      norm: JsonNumber;
      pull: JsonNumber;
      share: JsonNumber;
    }[];
    over: {
      steps: number[];
      rows: number | null;
      cost: JsonNumber[];
      /** By measure: a row for each recorded step, with a number for each layer. */
      series: Record<MeasureName, JsonNumber[][]>;
    };
    attributions: MeanAttributions | null;
  }

  interface MeanAttributions {
    method: string;
    baseline: number[];
    features: string[];
    mean_by_feature: number[];
    converged: boolean;
    baseline_name: string;
    rows: number[];
    of: string[];
    columns: { name: string; inputs: number[]; mean: number }[];
    largest_error: number;
  }

  // -- what is selected and shown ----------------------------------------------------------

  interface CostSelection {
    kind: "cost";
    layer?: undefined;
    j?: undefined;
    k?: undefined;
  }
  /** Node j of a layer; in layer 0 it is input j. */
  interface NodeSelection {
    kind: "node";
    layer: number;
    j: number;
    k?: undefined;
  }
  interface BiasSelection {
    kind: "bias";
    layer: number;
    j: number;
    k?: undefined;
  }
  /** The weight to node j of a layer from node k of the layer before. */
  interface EdgeSelection {
    kind: "edge";
    layer: number;
    j: number;
    k: number;
  }
  type Selection = CostSelection | NodeSelection | BiasSelection | EdgeSelection;
  type ParameterSelection = BiasSelection | EdgeSelection;

  /** "What if": the number that is changed, and by how much. */
  interface Nudge {
    what: Selection;
    delta: number;
  }

  type Direction = "forward" | "backward";

  /** How far a sweep has come; node null is the whole layer, layer L+1 the loss. */
  interface SweepStep {
    direction: Direction;
    layer: number;
    node: number | null;
    /** The weight that the step is explained for, whose line is marked. */
    meant?: EdgeSelection | null;
  }

  interface View {
    /** Of `payload.states`, which is shown. */
    state: number;
    sample: number;
    mode: "sample" | "mean";
    selected: Selection | null;
    nudge: Nudge | null;
    sweep: SweepStep | null;
    colour: "weight" | "gradient";
  }

  type Changed = Set<string>;
  type Listener = (state: View, changed: Changed) => unknown;

  // -- passes --------------------------------------------------------------------------------

  /** The masks of one row by layer; null: a layer, or a state, without dropout. */
  type RowMasks = (Float64Array | null)[] | null;

  /** Item l belongs to layer l; Z[0] is never read. */
  interface ForwardPass {
    Z: Float64Array[];
    A: Float64Array[];
    /** g(z) before the mask of dropout. */
    G: Float64Array[];
    masks: RowMasks;
  }

  /** Arrays of one row's passes, by layer. */
  interface PassBuffers {
    Z: Float64Array[];
    A: Float64Array[];
    G: Float64Array[];
    up: Float64Array[];
    delta: Float64Array[];
  }

  /** Derivatives of one sample's loss; item 0 of slope and delta is never read. */
  interface BackwardPass {
    loss: number;
    /** The loss by outputs. */
    terms: Float64Array;
    /** ∂C_i/∂a^l. */
    up: Float64Array[];
    /** g′(z^l); null where the activation mixes its outputs. */
    slope: (Float64Array | null)[];
    /** ∂C_i/∂z^l. */
    delta: Float64Array[];
    /** ∂C_i/∂x. */
    dX: Float64Array;
  }

  type Pass = ForwardPass & BackwardPass;

  interface Mean {
    cost: number;
    grad: Float64Array;
  }
  /** A mean, with words for the rows it is over where those are not all. */
  interface MeanOver extends Mean {
    costOver: string;
    gradOver: string;
  }

  /** What follows from a nudge. */
  interface Nudged {
    theta: Float64Array;
    x: Float64Array;
    pass: Pass;
    cost: number;
  }

  interface Rows {
    X: DecodedArray;
    Y: DecodedArray;
    s: Float64Array;
    /** w_i among the rows of the page. */
    w: Float64Array;
    /** w_i among all rows. */
    share: Float64Array;
    /** The weighted mean of x over all rows, where the page has some of them only. */
    mean: Float64Array | null;
    n: number;
    of: number;
    /** Of so many rows these are some, a mini-batch for example. */
    part: number | null;
  }

  interface Store {
    payload: Payload;
    net: Network;
    rows: Rows;
    state: View;
    /** The nudge, in a store that `seen` has made. */
    changed?: Nudge;
    /** Whether the numbers change with every frame, as while a network trains. */
    moving?: boolean;
    /** The plane of the nodes' pictures, where it is not that of the network's two inputs; null: none. */
    plane?: Plane | null;
    replace(payload: Payload, formulas?: Formulas): void;
    set(changes: Partial<View>): void;
    move(state: State): void;
    subscribe(listener: Listener): () => unknown;
    current(): State;
    theta(state?: number): Float64Array;
    x(i?: number): Float64Array;
    y(i?: number): Float64Array;
    masks(state?: number): (DecodedArray | null)[] | null;
    pass(i?: number): Pass;
    some(): string;
    mean(): MeanOver;
    meanHere(): Mean;
    nudged(): Nudged | null;
    seen(): Store;
    entry(selected: Selection | null): number;
  }

  // -- symbols --------------------------------------------------------------------------------

  /** What tests and highlighting go by, and what a person reads. */
  type SymbolName = [id: string, text: string];

  type Sample = number | "";
  /** The names of symbols; without a sample i they belong to the mean over all samples. */
  interface SymbolNames {
    w: (l: number, j: number, k: number) => SymbolName;
    b: (l: number, j: number) => SymbolName;
    z: (l: number, j: number) => SymbolName;
    a: (l: number, j: number) => SymbolName;
    delta: (l: number, j: number) => SymbolName;
    mask: (l: number, j: number) => SymbolName;
    dadz: (l: number, j: number, m?: number) => SymbolName;
    dzdw: (l: number, j: number, k: number) => SymbolName;
    y: (j: number) => SymbolName;
    loss: (i: number) => SymbolName;
    cost: () => SymbolName;
    share: (i: number) => SymbolName;
    dCdw: (l: number, j: number, k: number, i?: Sample) => SymbolName;
    dCdb: (l: number, j: number, i?: Sample) => SymbolName;
    dCda: (l: number, j: number, i?: Sample) => SymbolName;
  }

  /** The layer and the index of a formula's letters. */
  interface Indices {
    l: number;
    j: Index;
  }
  /** A symbol of a formula with its number. */
  interface Symbol {
    id: string;
    text: string;
    value: number;
    /** What a click on it selects. */
    go?: Selection | null;
    draw: () => Element;
    /** Words for the rows that a mean is over, where those are not all. */
    over?: string;
  }

  /** A piece of a formula; text is an operator. */
  type Piece = Element | string;
  /** A line of a formula: pieces, or parts between which the line may break. */
  type Line = Piece[] | Piece[][];

  interface Term {
    value: number;
    /** The symbols whose product (or function) the term is. */
    factors: () => Symbol[];
    note?: string;
  }

  /** The symbols of sample i with their numbers. */
  interface Symbols {
    i: number;
    pass: Pass;
    /** The mask of dropout in layer l; null without one. */
    dropped: (l: number) => Float64Array | null;
    w: (l: number, j: number, k: number) => Symbol;
    b: (l: number, j: number) => Symbol;
    z: (l: number, j: number) => Symbol;
    a: (l: number, j: number) => Symbol;
    delta: (l: number, j: number) => Symbol;
    slope: (l: number, j: number) => Symbol;
    dzdw: (l: number, j: number, k: number) => Symbol;
    mask: (l: number, j: number) => Symbol;
    y: (j: number) => Symbol;
    loss: () => Symbol;
    share: () => Symbol;
    dCda: (l: number, j: number) => Symbol;
    dCdw: (l: number, j: number, k: number) => Symbol;
    dCdb: (l: number, j: number) => Symbol;
    dadz: (l: number, j: number, m: number) => Symbol;
    cost: (mean?: MeanOver) => Symbol;
    meanw: (l: number, j: number, k: number, mean?: MeanOver) => Symbol;
    meanb: (l: number, j: number, mean?: MeanOver) => Symbol;
  }

  /** An index of a symbol: a number, or a letter that a sum runs over. */
  type Index = number | string;
  /** Symbols drawn without a number. */
  interface SymbolDrawings {
    w: (l: Index, j: Index, k: Index) => Element;
    b: (l: Index, j: Index) => Element;
    z: (l: Index, j: Index) => Element;
    a: (l: Index, j: Index) => Element;
    delta: (l: Index, j: Index) => Element;
    mask: (l: Index, j: Index) => Element;
    slope: (l: Index, j: Index) => Element;
    y: (j: Index) => Element;
    loss: (i: Index) => Element;
    cost: () => Element;
    share: (i: Index) => Element;
    dCdw: (l: Index, j: Index, k: Index, i?: Index) => Element;
    dCdb: (l: Index, j: Index, i?: Index) => Element;
    dCda: (l: Index, j: Index, i?: Index) => Element;
    dadz: (l: Index, j: Index, m?: Index) => Element;
    dzdw: (l: Index, j: Index, k: Index) => Element;
    dzdb: (l: Index, j: Index) => Element;
  }

  /** One number of any sample, for sums over samples: its value and its symbol. */
  type OfSample = [value: (i: number) => number, symbol: (i: number) => Symbol];

  /** What every section of a derivation needs. */
  interface Derivation {
    store: Store;
    s: Symbols;
    /** How many terms of a sum the reader has opened, by the key of the sum. */
    opened: Map<string, number>;
  }

  // -- the guided tour -------------------------------------------------------------------------

  /** The article's example, or the network of the page. */
  type TourKind = "example" | "own";

  /** A state of training: its index, the steps before it, the cost. */
  interface TourMoment {
    state: number;
    step: number;
    cost: number;
  }

  /** What the chapters are about: a network, and the weights that they follow. */
  interface TourPlace extends Derivation {
    kind: TourKind;
    base: { state: number; sample: number };
    /** A weight to an output. */
    edge: EdgeSelection;
    /** A weight to the node at which `edge` begins; null where that is an input. */
    hidden: EdgeSelection | null;
    /** Whether the update is by the plain rule because the page knows none. */
    plain: boolean;
    training?: { recorded: boolean; rate: number; moments: TourMoment[] };
  }

  interface TourChapter {
    /** What the drawing shows meanwhile. */
    look: Partial<View>;
    body: Child[];
    /** null where its answer would not be finite. */
    question: TourQuestion | null;
  }

  interface AnyQuestion {
    /** The parts of the drawing that it is about, by their keys. */
    marks?: string[];
    ask: Child[];
    /** The calculation, which the second wrong answer brings. */
    worked: Child[];
    /** What is said to the right answer. */
    right: Child[];
  }
  interface NumberQuestion extends AnyQuestion {
    kind: "number";
    answer: number;
    /** Numbers that known mistakes give. */
    mistakes: { value: number; hint: string }[];
    hint: Child[];
  }
  interface ChoiceQuestion extends AnyQuestion {
    kind: "choice";
    choices: { text: string; hint: string }[];
    /** The index of the right one. */
    answer: number;
  }
  type TourQuestion = NumberQuestion | ChoiceQuestion;

  // -- elements --------------------------------------------------------------------------------

  type Child = Node | string | null | undefined;
  type AttributeValue = string | number | boolean | null | undefined | Handler;
  /** A listener of any event: the parameters of methods are compared both ways. */
  type Handler = { handle(event: Event): unknown }["handle"];
  /** Attributes of an element; `text` is its text, and a name with "on" a listener. */
  interface Attributes {
    [name: string]: AttributeValue;
  }

  /** An element that is drawn anew by `show`. */
  type Shown<T> = T & { show: () => void };
  /** A section of the lens; a slow one is drawn while it is on the screen only, and `stop` ends what it computes. */
  type LensBox = Element & { show?: () => void; slow?: boolean; stop?: () => void };

  // -- the drawing -----------------------------------------------------------------------------

  interface Column {
    l: number;
    /** The nodes that are drawn, ascending. */
    nodes: number[];
    total: number;
    some: boolean;
    bias: boolean;
    rows: number;
    x: number;
    y: Map<number, number>;
    /** The height of the dots that stand for nodes not drawn. */
    dots: number | null;
    biasY: number | null;
  }

  /** What a layout counts of a column before it has a place. */
  type Counted = Pick<Column, "l" | "nodes" | "total" | "some" | "bias" | "rows">;

  /** The room for a drawing, in pixels. */
  interface Room {
    width: number;
    height: number;
    /** How high a drawing may be that is in sight as a whole; and whether its rows are close for that. */
    most: number;
    close?: boolean;
    /** The reader's size of text. */
    scale: number;
    /** Whether the nodes carry pictures. */
    pictured: boolean;
    /** Whether the labels of a sum's terms need room between the nodes whatever the size of text. */
    terms?: boolean;
  }

  /** Where the loss stands: beside the outputs, below all nodes, or in the corner below the outputs. */
  type LossPlace = "right" | "below" | "corner";

  /** Sizes of nodes and letters, in pixels. */
  interface Sizes {
    /** Half the height of a node. */
    r: number;
    /** Half its width, and half of that of its numbers where those stand below it. */
    half: number;
    side: number;
    /** The size of letters, beside that of text of the usual size. */
    u: number;
    /** Whether a node has room for its symbol above its number. */
    roomy: boolean;
    /** The size of the numbers in nodes, and their digits. */
    font: number;
    digits: number;
  }

  type Rect = [left: number, top: number, right: number, bottom: number];

  interface Layout extends Omit<Sizes, "font">, Room {
    /** The factor by which it is shown larger than its room, in a frame that scrolls. */
    enlarged: number;
    columns: Column[];
    /** From a node to the next, and from a column to the next. */
    pitch: number;
    gap: number;
    /** Laid out as on a phone. */
    narrow: boolean;
    /** The room for the names of inputs. */
    named: number;
    /** The size of the numbers in nodes. */
    font: number;
    /** The font of names, for measuring them. */
    names: string;
    target: { x: number; half: number };
    loss: { x: number; y: number; half: number; below: boolean };
  }

  /** A line to node j of layer l from node k of the layer before; k = −1 is the bias. */
  interface Edge {
    l: number;
    j: number;
    k: number;
  }
  /** `at` is where on its way the line has its grip, from 0 to 1; `room` is free around it. */
  interface GrippedEdge extends Edge {
    at: number;
    room: number;
  }

  interface Segment {
    x1: number;
    y1: number;
    x2: number;
    y2: number;
  }

  interface PartOf<W> {
    what: W;
    element: SVGGElement;
    /** The classes without those of selection and hovering. */
    tone: string;
  }
  interface NodePart extends PartOf<NodeSelection> {
    /** Its outline, and that of its marks; `half` is half its width where a number made it wider. */
    face: SVGRectElement;
    halo: SVGRectElement;
    half?: number;
    value: SVGTextElement;
    word: SVGTSpanElement;
    below: SVGTSpanElement;
    under: SVGTextElement;
    x: number;
    y: number;
    /** The number that the fill shows; NaN while it is not computed. */
    fill: number;
    line?: undefined;
  }
  interface EdgePart extends PartOf<ParameterSelection>, Edge {
    line: Segment;
    value: number;
    /** Whether a sweep has computed the number yet. */
    shown: boolean;
    faint: boolean;
    face?: undefined;
  }
  interface LossPart extends PartOf<CostSelection> {
    value: SVGTextElement;
    title: SVGTextElement;
    /** The title that is shown. */
    titled?: string;
    x: number;
    y: number;
    line?: undefined;
    face?: undefined;
  }
  type Part = NodePart | EdgePart | LossPart;

  interface Target {
    j: number;
    value: SVGTextElement;
    group: SVGGElement;
    box: SVGRectElement;
    /** What its number has room for. */
    room: number;
  }

  /** What is painted: the pass with the nudge if there is one, and without. */
  interface Painted {
    base: Pass;
    pass: Pass;
    nudged: Nudged | null;
    theta: Float64Array;
  }

  /** What a sweep has computed so far. */
  interface Known {
    a: (l: number, j: number) => boolean;
    delta: (l: number, j: number) => boolean;
    loss: boolean;
    all: boolean;
  }

  interface Drawing {
    store: Store;
    root: SVGElementTagNameMap["svg"];
    frame: HTMLDivElement;
    legend: HTMLElement;
    showColour: (value: string) => void;
    room: Room;
    plan: Layout;
    /** The nodes drawn of each layer. */
    nodes: number[][];
    /** What the structure was built for: widths, biases and names as text. */
    shape: string;
    parts: Map<string, Part>;
    edges: EdgePart[];
    targets: Target[];
    /** Labels above all else, and what leads from them to their lines below the nodes. */
    labels: SVGGElement;
    leaders: SVGGElement;
    now: Painted;
    /** The sum of the step of the sweep that is shown, and what shows it at a time from 0 to 1. */
    flow?: { group: SVGGElement; show: (t: number) => boolean } | null;
    /** The key of the part that Tab comes to. */
    at: string;
    /** The key of the part under the pointer or with the focus. */
    hot: string | null;
    /** The keys of the parts that belong to what a reader points at in the derivation. */
    linked: Set<string>;
    /** Which end of a line the arrow keys keep, going up and down. */
    follow: "from" | "to";
    zoom: number;
    /** Buttons that scroll to what is out of sight, at the left and at the right. */
    more: HTMLButtonElement[];
    /** Which of several close lines a tap has chosen, in words. */
    taps: HTMLElement;
    /** The place of the last tap on a line, the lines near it, and which of them it chose. */
    tap: { x: number; y: number; lines: EdgePart[]; at: number } | null;
  }

  // -- pictures in the nodes ---------------------------------------------------------------------

  /** Two axes of the input space, and the inputs that belong to a place on them. */
  interface Plane {
    ranges: [x0: number, x1: number, y0: number, y1: number];
    /** Whether there is one axis only, over which a picture is the curve of a. */
    line?: boolean;
    /** x of a place. */
    at: (across: number, up: number) => ArrayLike<number>;
    /** What the axes are; those of a network's two inputs have the names of the inputs. */
    names?: [across: string, up: string];
    /** The place of a row. */
    place: (x: ArrayLike<number>) => [across: number, up: number];
  }

  /** The pictures of a drawing. */
  interface Pictures {
    canvas: HTMLCanvasElement;
    /** All pictures side by side. */
    atlas: HTMLCanvasElement;
    /** What the pictures were computed for. */
    key: { theta: Float64Array; nodes: number[][]; of: Plane | Pass } | null;
    /** Pixels of one picture. */
    wide: number;
    high: number;
    timer: number;
    /** Stops the computation of fine pictures. */
    stop: () => void;
  }

  // -- the sum of a step of the sweep ------------------------------------------------------------

  /** The clock of a sweep: milliseconds that have passed, until `since` or while it is held. */
  interface Flow {
    step: SweepStep | null;
    /** Milliseconds that the step takes at speed 1. */
    length: number;
    /** Milliseconds for each term of its sum. */
    each: number;
    speed: number;
    passed: number;
    held: boolean;
    since: number;
    drawings: Set<Drawing>;
  }
  /** A term of a sum, where it starts. */
  interface FlowTerm {
    x: number;
    y: number;
    /** Half the width of what it starts at. */
    half: number;
    value: number;
    text: string;
  }
  interface Plate {
    element: SVGGElement;
    /** Its text and place; returns its width. */
    show: (words: string, x: number, y: number, end?: boolean) => number;
  }

  // -- heat maps, plots ----------------------------------------------------------------------------

  /** A matrix as a heat map shows it. */
  interface HeatMatrix {
    title: string;
    rows: number;
    columns: number;
    note: string;
    /** Whether it is one row, drawn as a strip. */
    strip?: boolean;
    /** Whether no entry is negative, so that its scale begins at 0. */
    positive?: boolean | undefined;
    at: (r: number, c: number) => number;
    symbol: (r: number, c: number) => [id: string | null, text: string];
    /** What choosing an entry changes in the store. */
    what: (r: number, c: number) => Partial<View>;
    /** The entry that a selection is. */
    mark: (selected: Selection) => [r: number, c: number] | null;
  }

  type Rgb = number[];
  interface Ink {
    negative: Rgb;
    positive: Rgb;
    zero: Rgb;
    none: Rgb;
  }

  interface Margins {
    left: number;
    right: number;
    top: number;
    bottom: number;
    height: number;
  }
  interface Box extends Margins {
    width: number;
  }
  interface Scale {
    X: (value: number) => number;
    Y: (value: number) => number;
    group: SVGGElement;
    x0: number;
    x1: number;
  }
  type Point = [x: number, y: number | null];

  // -- attributions ----------------------------------------------------------------------------------

  interface AttributionOptions {
    of?: "loss" | "largest" | number;
    method?: "integrated" | "gradient";
    baseline?: "zeros" | "mean";
    tolerance?: number;
  }
  interface Attribution {
    values: Float64Array;
    /** f(x) and f(x′). */
    value: number;
    before: number;
    error: number;
    points: number;
    converged: boolean;
    of: "loss" | number;
    method: "integrated" | "gradient";
  }
}
