"""The question: (group, rule set) → findings. Pure, exact, and defined on sets of traffic."""
