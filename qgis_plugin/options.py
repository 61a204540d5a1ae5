class OptionsFactory: pass
