"""The classes of Living17 and their subclasses, as published.

Source: the output of `make_living17(split="rand")` in "Constructing BREEDS datasets.ipynb",
https://github.com/MadryLab/BREEDS-Benchmarks, which the paper's authors call too; subclasses by their
WordNet IDs. A model's output 0 is the first row, sorted by the superclass's ID.
"""

from __future__ import annotations

from tbft_edge.reproduce.datasets.breeds import Superclass

# superclass, name, source (trained on), target (met in the field)
LIVING17 = (
    Superclass("n01629276", "salamander", ("n01631663", "n01632777"), ("n01630670", "n01632458")),
    Superclass("n01662784", "turtle", ("n01669191", "n01665541"), ("n01664065", "n01667114")),
    Superclass("n01674464", "lizard", ("n01685808", "n01689811"), ("n01694178", "n01675722")),
    Superclass("n01726692", "snake", ("n01740131", "n01735189"), ("n01751748", "n01742172")),
    Superclass("n01772222", "spider", ("n01774750", "n01773157"), ("n01773797", "n01775062")),
    Superclass("n01795088", "grouse", ("n01796340", "n01798484"), ("n01797886", "n01795545")),
    Superclass("n01816887", "parrot", ("n01818515", "n01820546"), ("n01817953", "n01819313")),
    Superclass("n01976957", "crab", ("n01978287", "n01980166"), ("n01978455", "n01981276")),
    Superclass("n02084071", "dog", ("n02088466", "n02086079"), ("n02111500", "n02086910")),
    Superclass("n02114100", "wolf", ("n02114855", "n02114712"), ("n02114548", "n02114367")),
    Superclass("n02118333", "fox", ("n02120505", "n02120079"), ("n02119022", "n02119789")),
    Superclass("n02121808", "cat", ("n02123159", "n02124075"), ("n02123394", "n02123597")),
    Superclass("n02131653", "bear", ("n02134418", "n02133161"), ("n02134084", "n02132136")),
    Superclass("n02164464", "beetle", ("n02172182", "n02174001"), ("n02167151", "n02168699")),
    Superclass("n02274259", "butterfly", ("n02281406", "n02276258"), ("n02280649", "n02277742")),
    Superclass("n02470325", "ape", ("n02483362", "n02480495"), ("n02480855", "n02481823")),
    Superclass("n02484322", "monkey", ("n02490219", "n02493509"), ("n02493793", "n02492660")),
)
