//! The program as its users meet it: arguments and files in; text, files and an exit code out.
//!
//! [`folder`] runs the program in a folder of its own; [`trace`] writes small traces there. The rest are stories, one
//! file a subject. Errors are compared whole wherever that is possible, since what they say is the point.

mod bench;
mod chosen;
mod cluster;
mod converted;
mod explained;
mod folder;
mod global;
mod gpus;
mod help;
mod hostile;
mod impossible;
mod misread;
mod placed;
mod planned;
mod published;
mod rebalanced;
mod refused;
mod repeated;
mod trace;
