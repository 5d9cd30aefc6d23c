"""Files from outside, before they are believed: told by their first bytes, decoded and written anew in a child process.

`decoder` starts the child, `python -m shared.intake`; `cage` is what holds it; the other modules run inside it, and
only they open what was sent. Knows no owner, no row and no HTTP.
"""
