//! Delivery documents, the planner of rollouts and its state.
