# Rules that a project brings along, such as those of a modality of its own.
for own_rules in sorted((plugins_folder() / "rules").glob("*.smk")):

    include: str(own_rules)
