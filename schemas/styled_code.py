"""styled_code: every well-scored file, rewritten for style (SGCR), or why its rewrite is not kept."""

from recast.schemas.rewrites import rewritten_code

TABLE = rewritten_code("styled_code", "style-guided rewrites of linted code", not_listed=("not_self_contained",))
