"""The platform: the loop that runs stages, the plan, Spark and Delta. It knows nothing of code or mathematics."""
