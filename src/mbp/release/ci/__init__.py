"""What a pull request is told: from the reports of its steps to one comment that never says more than was seen."""
