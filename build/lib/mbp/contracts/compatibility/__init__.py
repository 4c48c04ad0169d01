"""What a change of a contract does to those who write and to those who read.

BACKWARD: every row that is valid under the old contract is valid under the new one.
FORWARD: every row that is valid under the new contract is valid under the old one.
"""
