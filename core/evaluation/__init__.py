"""How good a model is: few-shot accuracy, scans, baselines and reports."""
