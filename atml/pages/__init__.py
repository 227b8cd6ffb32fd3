"""Pictures of ECG pages with their ground truth: a heart or record, its page, its scan or photograph.

`dipole_heart` gives twelve leads, `page_drawing` draws them as a recorder would, `picture` scans or
photographs the page, `page_folder` writes all of it. `atml.page_sets` makes sets of them.
"""
