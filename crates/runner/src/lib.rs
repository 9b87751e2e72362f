//! Runs the jobs of a workflow: executors, steps, actions, commands, masks.
