"""Train: set up a fine-tuning run, and follow those that are queued and running."""

from posecore.ui.shared.extra_needed import extra_is_here

if extra_is_here("train"):
    from posecore.ui.train.page import main

    main()
