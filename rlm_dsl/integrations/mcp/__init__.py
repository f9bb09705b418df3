"""Our language for any agent: a workspace, served over the Model Context Protocol."""
