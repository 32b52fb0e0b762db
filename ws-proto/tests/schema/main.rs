//! The schema of a protocol: its form, what it accepts and refuses, and what it reports.

mod chat;
mod control;
mod document;
mod frames;
mod problems;
mod tables;
