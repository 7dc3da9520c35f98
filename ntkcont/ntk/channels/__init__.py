"""The bifurcation channel in trajectory kernels: critical directions of theta, their share, the normal form."""

from ntkcont.ntk.channels.channel import SIGNATURES, Channel, channel, channel_signatures

__all__ = ["SIGNATURES", "Channel", "channel", "channel_signatures"]
