"""Pictures of ECG pages with their ground truth: a heart or record, its page, its scan or photograph.

`page_set.make` puts the parts together: `dipole_heart` or `record_source` give twelve leads, `page_drawing`
draws them as a recorder would, `picture` scans or photographs the page, `page_folder` writes both.
"""
