"""Where pictures come from, said so that people and programs can tell: watermark, content credentials, consent."""
