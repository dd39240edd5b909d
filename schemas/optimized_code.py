"""optimized_code: every styled file, made self-contained, efficient and instructive (SCOR), or why it is not kept."""

from recast.schemas.rewrites import rewritten_code

TABLE = rewritten_code("optimized_code", "self-contained, optimised rewrites of styled code")
