"""Many devices: releases that a host signs, updates that roll back by themselves, results that devices sign, merges.

Every file of it is checked by whoever takes it, whatever carried it: SSH, HTTP, a USB stick.
"""
