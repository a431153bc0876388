"""Frames of a publisher as a ROS 2 topic: python examples/subscribe_ros2.py tcp://127.0.0.1:5556 /camera/fused

Written by the documentation of rclpy and sensor_msgs; it was not tried with them.
"""

import sys

import rclpy
from sensor_msgs.msg import Image

import streamfuse


def main(endpoint: str, topic: str) -> None:
    """Publish each frame as sensor_msgs/Image, bgr8 or bgr16, with the time of capture, until the stream ends."""
    rclpy.init()
    node = rclpy.create_node("streamfuse")
    publisher = node.create_publisher(Image, topic, 2)
    with streamfuse.subscribe(endpoint, latest=True, follow=True) as frames:
        for frame in frames:
            if not rclpy.ok():
                break
            pixels = frame.bgr()
            taken = frame.captured_unix or frame.published_at
            message = Image()
            message.header.frame_id = "camera"
            message.header.stamp.sec = int(taken)
            message.header.stamp.nanosec = int(taken % 1 * 1e9)
            message.height, message.width = pixels.shape[:2]
            message.encoding = "bgr8" if pixels.itemsize == 1 else "bgr16"
            message.is_bigendian = int(sys.byteorder == "big")
            message.step = pixels.strides[0]
            message.data = pixels.tobytes()
            publisher.publish(message)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "/camera/fused")
