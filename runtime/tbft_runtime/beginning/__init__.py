"""From what was asked to what a run does: plan, settings, images, and all that is known before the first step."""
