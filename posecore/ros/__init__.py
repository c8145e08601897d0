"""People for robots: as ROS messages, through a bridge to a running ROS or into a bag. ROS itself is not needed."""

from posecore.ros.messages import Message, people_messages

__all__ = ["Message", "people_messages"]
