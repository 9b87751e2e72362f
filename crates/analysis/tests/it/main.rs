//! Integration tests: simulated canaries and the field's own cases.

mod cases;
mod chance;
mod conformance_conditions;
mod conformance_metrics;
mod conformance_templates;
mod delay;
mod false_alarms;
mod interval;
mod promotion;
mod rules;
mod verdict;
