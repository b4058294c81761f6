"""The page at `/`: what the API knows, for eyes; and its buttons, for hands.

Owns what is shown to whom and in which words. Never reads a row and never decides: the front desk
answers, `api.bodies` writes it, as for every other call. Mounted by `api.app`.

Law 1. What a caller may not read is not shown to him, here not even by its name (P8).
Law 2. Nothing that comes from outside reaches the page but as text: names are escaped twice, for
the eye and for the markup.
Law 3. A button does nothing that the API would refuse, and nothing without the page's own token.
Law 4. A look waits for no disk and no cloud, and all looks together leave threads free; what is
explained or linked takes one of the places of such calls.
"""
