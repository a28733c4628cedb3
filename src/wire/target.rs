//! Where to connect and as whom: settings, interpreted.
