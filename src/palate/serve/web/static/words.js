/* Every sentence of the page, by view. */
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const isError = ({ metric }) => ["rmse", "mae", "crps"].includes(metric);
const shown = (figure, value) => (isError(figure) ? value.toFixed(2) : percent(value));
const between = (figure) =>
  figure.low === null || figure.high === null ? "" : ` (${shown(figure, figure.low)} to ${shown(figure, figure.high)})`;
const popular = (figure) => (figure.popular === null ? "" : `; the popular list: ${shown(figure, figure.popular)}`);
const length = ({ metric }) => metric.split("@")[1] ?? "";
/* What a metric says, to somebody who does not know its name. */
const FIGURES = {
  ndcg: (figure) => `Its first ${length(figure)} are ${percent(figure.value)} as good as the best possible order`,
  recall: (figure) => `Of what people went on to like, ${percent(figure.value)} stand in its first ${length(figure)}`,
  precision: (figure) => `Of its first ${length(figure)}, people went on to like ${percent(figure.value)}`,
  hit_rate: (figure) => `${percent(figure.value)} of people find something they like in its first ${length(figure)}`,
  rmse: ({ value }) => `Its stars are off by ${value.toFixed(2)} (root mean square)`,
  mae: ({ value }) => `Its stars are off by ${value.toFixed(2)} on average`,
  crps: ({ value }) => `What it believes of a rating is off by ${value.toFixed(2)} stars (CRPS)`,
  other: ({ metric, value }) => `${metric} is ${value.toFixed(3)}`,
};
const MODELS = {
  popularity: "Popularity", baseline: "Baseline", mf: "Matrix factorization", als: "ALS", bayes: "Bayesian matrix factorization",
  ials: "Implicit ALS", bpr: "BPR", warp: "WARP", ease: "EASE", knn: "Item neighbours", rp3beta: "RP3beta",
};

export const words = {
  frame: {
    name: "Palate",
    skip: "To the content",
    views: "Views",
    theme: "Switch between light and dark",
    about: (user) => `You see the page of user ${user}.`,
    back: "Back to my own",
    again: "Try again",
  },
  models: {
    title: "Models",
    waits: "One moment …",
    empty: "There is no model here yet, so there is nothing to choose from. Lists are what is popular; whoever runs this page adds a model with “palate versions add”.",
    about: "Each model is best at something. Your lists can be made by any of them; what was measured stands beside it.",
    first: "start here",
    chosen: "Your lists are made by this one",
    compare: "Compare two of them side by side",
    unmeasured: "Not measured here yet. “palate compare” measures, “palate versions figures” shows it here.",
    purposes: {
      lists: { title: "Best lists", words: "Puts first what you are most likely to want next.", use: "Make my lists so" },
      stars: { title: "Stars, and how sure", words: "Says how many stars you would give, and between which it may lie.", use: "Make my lists so" },
      because: { title: "Because you liked …", words: "Each suggestion follows from things you liked, and names them.", use: "Make my lists so" },
    },
    by: (model, version) => `${MODELS[model] ?? model}, version ${version}`,
    figure: (figure) => (FIGURES[figure.metric.split("@")[0]] ?? FIGURES.other)(figure) + between(figure) + popular(figure) + ".",
    sure: ({ value }) => `Of the intervals that should hold 80 % of all ratings, ${percent(value)} did.`,
    measured: ({ of, people }) => `Measured on ${of}${people ? `, ${people.toLocaleString("en")} people` : ""}.`,
  },
  compare: {
    title: "Compare",
    waits: "Both lists are on their way …",
    about: "The same person, two models: what would each suggest?",
    left: "On the left",
    right: "On the right",
    popular: "Popular with everybody",
    overlap: (both, of) => (both ? `${both} of ${of} are on both lists.` : "The two lists have nothing in common."),
    also: (place) => `on the other list, too: number ${place}`,
    only: "on this list alone",
    unknown: "Nothing is known of you yet, so this is what is popular. Rate something, and the lists part.",
    nothing: "Nothing is left to suggest here.",
  },
  forYou: {
    title: "For you",
    waiting: "Looking for films …",
    policy: (words) => `These are ${words}. Rate one, and the list becomes yours.`,
    none: (of) => (of ? "You have said something of every film here. Let in what you have seen, or take something back." : "There are no films here yet. As soon as the catalogue has some, they stand here."),
    narrow: "No film meets all of these. Widen the years, or choose another genre.",
    more: "Show more",
  },
  card: {
    rate: (title) => `Rate ${title}`,
    stars: (n) => (n === 1 ? "1 star" : `${n} stars`),
    predicted: (film) => `You would give it ${film.stars.toFixed(1)} stars${film.low === null ? "" : `, likely between ${film.low.toFixed(1)} and ${film.high.toFixed(1)}`}.`,
    interval: (film) => `${film.low.toFixed(1)} to ${film.high.toFixed(1)}`,
    sure: { sure: "sure", fairly: "fairly sure", unsure: "unsure" },
    marks: { new: "new", up: "▲ up", down: "▼ down" },
    why: "Why this one?",
    more: "More like this",
    moreLike: (title) => `More like this: ${title}`,
    hide: "Not for me",
    hideThis: (title) => `${title} is not for me`,
    seen: "Seen",
    seenThis: (title) => `I have seen ${title}`,
  },
  changes: {
    rated: (title, value) => `${title}: ${Number(value.toFixed(2))} stars.`,
    hide: (title) => `${title}: not for you.`,
    seen: (title) => `${title}: seen.`,
    skip: (title) => `${title}: not now.`,
    undo: "Undo",
    undone: (sentence) => `Taken back: ${sentence}`,
    refused: (detail) => `That was not kept: ${detail}`,
  },
  why: {
    looking: "Adding up …",
    arithmetic: "The arithmetic",
    caption: "What the score is made of",
    rest: "All else that you rated",
    sum: "The score",
    number: (value) => (value >= 0 ? `+${value.toFixed(3)}` : `−${Math.abs(value).toFixed(3)}`),
  },
  filters: {
    title: "Filters",
    left: ({ left, of }) => (of === null ? "" : `${left.toLocaleString("en")} of ${of.toLocaleString("en")} films left`),
    genre: "Genre",
    every: "All",
    from: "From year",
    to: "To year",
    seen: "Also what I have seen",
    variety: "Variety",
    discovery: "Discovery",
    ends: { variety: "more of a kind ↔ unlike each other", discovery: "well known ↔ little known" },
    share: (value) => `${Math.round(Number(value) * 100)} percent`,
    clear: "Clear all",
  },
  keys: {
    title: "Keys",
    every: [
      ["← → ↑ ↓", "to the next film"],
      ["1 … 5", "rate it"],
      ["h", "not for me"],
      ["s", "seen"],
      ["w", "why this one"],
      ["u", "take back the last"],
      ["?", "this help"],
    ],
    close: "Close",
  },
};
