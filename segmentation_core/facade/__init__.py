"""The demo's facade: a painted pavilion, generated with damage that is known exactly.

Independent of the generator that trains the models: its motifs, its cracks and its renderer are its own,
so that the demo measures a model on what it has not seen.
"""
