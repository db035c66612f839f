"""What `0001_schema` puts together: the tables of each noun, and the rules of its rows."""
