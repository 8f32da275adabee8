/* Every sentence of the page, by view. */
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
  forYou: { title: "For you", empty: "Your list will stand here." },
};
