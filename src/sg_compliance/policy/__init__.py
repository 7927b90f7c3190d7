"""What the organisation asks: the policy document, read strictly, and the rules that it binds to one group. Pure."""
