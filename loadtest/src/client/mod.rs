//! A TURN client without input or output.
