"""Models learned by stochastic gradient descent: of ratings, and of pairs."""
