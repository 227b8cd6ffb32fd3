"""What ``import atml`` offers to programs: each verb of the command line as a typed function.

::

    atml.search      search_function.py a search; its SearchResult is in search_result.py
    atml.load        loaded_model.py    an exported model: predict, scores, plot
    atml.score       score_result.py    one evaluation on test data, counted
    atml.predict     prediction.py      decisions on recordings from files: episodes, burden
    atml.digitize    digitisation.py    signals from pictures of ECG pages
    atml.TaskSource  task_source.py     a task written in a script or a notebook

`recordings` cuts long recordings into windows, `decision_plot` draws them, `notebook_view` shows progress in
a notebook.
"""
