/* Every sentence of the page, by view. */
export const words = {
  newHere: {
    title: "New here?",
    questions: "Films to rate",
    list: "Your list",
    waiting: "Choosing films to ask about …",
    none: "There is nothing left to ask: you have said something of every film that we could ask about.",
    known: (share) => `How well we know your taste: ${Math.round(share * 100)} %`,
    skip: "Not seen",
    skipThis: (title) => `I have not seen ${title}`,
    skipped: (title) => `${title}: not seen. That costs nothing.`,
    others: "Ask about others",
    enough: "Enough, show my list",
    policy: (words) => `These are ${words}. Each answer moves them.`,
  },
  frame: {
    name: "Palate",
    skip: "To the content",
    views: "Views",
    theme: "Switch between light and dark",
    about: (user) => `You see the page of user ${user}.`,
    back: "Back to my own",
    again: "Try again",
  },
  forYou: { title: "For you", empty: "Your list will stand here." },
};
