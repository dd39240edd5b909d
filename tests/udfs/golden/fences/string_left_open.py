TEXT = """never ends
