"""How good the predictions are: entrena's defaults against peers, on every table of `../shared/data/manifest.csv`.

`datasets` hands out the same rows to everybody, `learners` has one file for each learner, `worker` measures in a
process of its own, `results` keeps a line for each measurement, `run` does what is missing, `report` writes the table;
`candidates` compares recipes that could become the defaults.
"""
