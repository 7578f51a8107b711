"""Everything needed to make the files under weights/ again. Never imported by the product."""
