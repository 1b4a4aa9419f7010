//! What a process and this machine spend, from `/proc`.
