"""Floor 4: deciding. ``step`` turns a fact into events; ``wanted`` says what should be going on."""
