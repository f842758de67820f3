//! The one way of printing a decision.
