"""A product and an API for it as a tutorial would write them: nobody answers for anything."""
