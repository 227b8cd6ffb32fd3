"""The search: from options to exported models; it can be stopped and resumed at any time.

::

    entry_points           search, join a search, export, train again
    search_options         the options of a search, and the goal that its study keeps
    plan                   task, data, folds and study made ready
    study_spec             the settings of a study, and which changes a search may resume with
    joining                a plan from the study itself, on any machine
    trials                 the trials: claim a slot, ask, check the cost, train, compare, record
    trial_outcome          a running trial, and the result that it leaves
    pruning                when to stop a trial, and when to stop a search
    search_state           goal, results and time left
    region_learning        rejected regions, learned during the search
    samplers               reference draws, TPE, rejected regions avoided
    workers                worker processes, and the jobs that they get
    supervision            beats, and trials of dead processes requeued
    ranking, importance    which trials are best, which parameters matter
    leaderboard            the trials of a study in order, with the figures that every surface shows
    verdict, next_step     what a search came to, and the command that leads on from there
    finalists, repeats     the best trials again, on fresh seeds
    rounds, finalist_time  which repeats come next, and what they cost
    picking                the finalist that is taken, and at what length of training
    exporting              the final training, on all subjects, and its export
    rerun                  one trial trained again and compared with its record
    summary                the outcome of a search
    progress, sparkline    what a running search shows
    trial_log              trials logged to MLflow, Weights & Biases or TensorBoard
    task_check             the files of a task checked by using them
"""
